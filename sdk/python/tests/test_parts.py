"""Tests of the parts without I/O, and of what only Python has. What both SDKs share is in
sdk/conformance."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tessera_lifecycle import Done, Failure, durations, outcome
from tessera_lifecycle import manifest as manifests
from tessera_lifecycle import records, verbs
from tessera_lifecycle.hub import RUNS, Hub

PACKAGE = Path(__file__).resolve().parent.parent
CONFORMANCE = PACKAGE.parent / "conformance"

try:
    import tomllib
except ImportError:
    tomllib = None


class Durations(unittest.TestCase):
    @unittest.skipIf(tomllib is None, "Python 3.11 reads TOML")
    def test_they_are_those_of_the_suite(self):
        suite = tomllib.loads((CONFORMANCE / "durations.toml").read_text(encoding="utf-8"))
        for text in suite["wrong"]:
            with self.subTest(text), self.assertRaises(ValueError):
                durations.milliseconds(text)
        for text, ms in suite["milliseconds"].items():
            with self.subTest(text):
                self.assertEqual(durations.milliseconds(text), ms)


class Outcomes(unittest.TestCase):
    def test_codes_of_others_are_never_given(self):
        for code in range(-300, 300):
            own = code in (0, 1) or 3 <= code <= 124
            told = outcome.of_code(code)
            self.assertEqual(told.exit_code, code if own else 1)
            self.assertEqual(told.message is None, own)

    def test_what_a_run_may_return(self):
        self.assertEqual(outcome.of_result(None), outcome.Outcome(0))
        self.assertEqual(outcome.of_result(Done(rows=4)).rows, 4)
        self.assertEqual(outcome.of_result(7).exit_code, 7)
        for wrong in (True, False, "done", 1.0, {}):
            told = outcome.of_result(wrong)
            self.assertEqual(told.exit_code, 1)
            self.assertIn(type(wrong).__name__, told.message)

    def test_sys_exit_is_the_outcome_that_it_means(self):
        self.assertEqual(outcome.of_exit(None).exit_code, 0)
        self.assertEqual(outcome.of_exit(9).exit_code, 9)
        self.assertEqual(outcome.of_exit("no table"), outcome.failed("no table"))

    def test_a_failure_never_looks_done(self):
        self.assertEqual(outcome.of_failure(Failure(0, "x")).exit_code, 1)
        self.assertEqual(outcome.of_failure(Failure(7, "x")), outcome.Outcome(7, None, "x"))

    def test_rows_are_a_number(self):
        class OfALibrary:
            def __index__(self):
                return 3

        self.assertEqual(Done(rows=OfALibrary()).rows, 3)
        for wrong in (-1, "3", True, 1.5):
            with self.subTest(wrong), self.assertRaises((TypeError, ValueError)):
                Done(rows=wrong)


class Records(unittest.TestCase):
    def test_times_read_back_what_they_write(self):
        for ms in (0, 1, 999, 1_777_624_500_123, 4_102_444_799_999):
            self.assertEqual(records.time_ms(records.time_text(ms)), ms)
        self.assertEqual(records.time_ms("1970-01-01T02:00:00.5+02:00"), 500)
        for wrong in ("", "yesterday", "2026-05-01", "2026-13-01T00:00:00Z", None, 5):
            with self.subTest(wrong), self.assertRaises(ValueError):
                records.time_ms(wrong)

    def test_whatever_is_cut_off_a_line_it_is_passed_over(self):
        identity = records.Identity("a", "t", None, verbs.RUN, "1", None)
        line = identity.ended(5, 0, None, 1)
        for length in range(len(line)):
            history = records.History()
            history.take(line[:length])
            self.assertEqual(history.services, {})
        history = records.History()
        history.take(line)
        self.assertTrue(history.of(None).success)

    def test_an_older_run_that_ends_later_leaves_the_open_one_open(self):
        history = records.History()
        for id, ends in (("a", False), ("b", False), ("a", True)):
            identity = records.Identity(id, "t", None, verbs.RUN, "1", None)
            history.take(identity.ended(5, 0, None, 1) if ends else identity.started(5))
        self.assertEqual(history.of(None).open.run_id, "b")


class Manifests(unittest.TestCase):
    def test_without_a_reader_of_toml_it_is_said_what_to_do(self):
        blocked = "import sys; sys.modules['tomllib'] = sys.modules['tomli'] = None\n"
        code = blocked + "from tessera_lifecycle import manifest; manifest.parse('m.toml', b'')"
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=PACKAGE, capture_output=True, text=True, check=False
        )
        self.assertIn("m.toml cannot be read: use Python 3.11 or later", ended.stderr)

    @unittest.skipIf(tomllib is None, "Python 3.11 reads TOML")
    def test_everything_that_is_wrong_is_said(self):
        content = b"name = 5\nsources = 'x'\nfreshness = ''\n[schema]\nnme = 'x'\n[services.A_B]\n"
        with self.assertRaises(manifests.ManifestError) as caught:
            manifests.parse("m", content)
        said = str(caught.exception)
        for path in ("name", "version", "schema", "sources", "freshness", "services.A_B"):
            self.assertIn(f"m: {path}: ", said)
        self.assertEqual(len(said.splitlines()), 6, said)


class Hubs(unittest.TestCase):
    def test_whatever_a_crash_left_the_next_line_is_whole(self):
        for left in ("", "a", "a\n", "a\nb", "\n"):
            with self.subTest(left), tempfile.TemporaryDirectory() as root:
                folder = Path(root, "t")
                folder.mkdir()
                (folder / RUNS).write_text(left, encoding="utf-8")
                hub = Hub(root, None, "t")
                hub.append(RUNS, "next")
                self.assertEqual(list(hub.lines(RUNS)), left.splitlines() + ["next"])


@unittest.skipIf(tomllib is None, "Python 3.11 reads TOML")
class Programs(unittest.TestCase):
    """What a program in Python may do that one in Rust cannot."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        text = "name='t'\nversion='1'\nschema='s'\nsources=[]\nfreshness='1h'\n"
        (self.root / "tessera-tenant.toml").write_text(text, encoding="utf-8")

    def program(self, body, where="bin/app.py"):
        path = self.root / where
        path.parent.mkdir(parents=True, exist_ok=True)
        head = "import os, sys\nfrom tessera_lifecycle import LifecycleApp\n"
        path.write_text(f"{head}{body}\nLifecycleApp(run=run).main()\n", encoding="utf-8")
        return path

    def call(self, path, *words, **options):
        env = {name: value for name, value in os.environ.items() if "TESSERA" not in name}
        # Output is buffered, as it is by default.
        env.pop("PYTHONUNBUFFERED", None)
        env.update(PYTHONPATH=str(PACKAGE), TESSERA_TELEMETRY_DIR=str(self.root / "hub"))
        options.setdefault("stdout", subprocess.PIPE)
        return subprocess.run(
            [sys.executable, str(path), *words],
            env=env, cwd="/", stderr=subprocess.PIPE, text=True, check=False, **options,
        )  # fmt: skip

    def ended(self):
        lines = (self.root / "hub/t" / RUNS).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if '"ended"' in line]

    def test_sys_exit_in_a_run_is_recorded(self):
        ended = self.call(self.program("def run(context): sys.exit(7)"), "run")
        self.assertEqual((ended.returncode, self.ended()[0]["exit_code"]), (7, 7))

    def test_a_traceback_is_shown_and_the_run_recorded(self):
        ended = self.call(self.program("def run(context): 1 / 0"), "run")
        self.assertEqual((ended.returncode, self.ended()[0]["exit_code"]), (1, 1))
        self.assertIn("ZeroDivisionError", ended.stderr)

    def test_an_interrupt_kills_and_is_seen_as_a_run_that_never_ended(self):
        ended = self.call(self.program("def run(context): raise KeyboardInterrupt"), "run")
        self.assertEqual((ended.returncode, self.ended()), (-2, []))

    def test_what_a_run_forks_is_not_the_run(self):
        body = "def run(context):\n  if os.fork() == 0: sys.exit(9)\n  return os.wait()[1] >> 8"
        ended = self.call(self.program(body), "run")
        self.assertEqual((ended.returncode, len(self.ended())), (9, 1))

    def test_a_run_whose_output_is_lost_has_failed(self):
        path = self.program("def run(context): print('data')")
        with open("/dev/full", "w", encoding="utf-8") as full:
            ended = self.call(path, "run", stdout=full)
        self.assertEqual((ended.returncode, self.ended()[0]["exit_code"]), (1, 1))
        self.assertIn("standard output could not be written", ended.stderr)

    def test_nobody_reading_the_status_does_not_change_it(self):
        path = self.program("def run(context): pass")
        self.call(path, "run")
        with open("/dev/full", "w", encoding="utf-8") as full:
            self.assertEqual(self.call(path, "status", stdout=full).returncode, 0)

    def test_the_manifest_is_found_behind_a_link(self):
        path = self.program("def run(context): print(context.manifest.name)")
        with tempfile.TemporaryDirectory() as elsewhere:
            link = Path(elsewhere, "app.py")
            link.symlink_to(path)
            self.assertEqual(self.call(link, "run").stdout, "t\n")


if __name__ == "__main__":
    unittest.main()
