"""A tenant without an SDK that keeps the contract, but for what FAULT names."""

import datetime
import fcntl
import json
import os
import subprocess
import sys
import time
import uuid

FAULT = os.environ.get("FAULT", "")
HUB = os.path.join(os.environ["TESSERA_TELEMETRY_DIR"], "sample")
VERBS = ["run", "status", "dry-run", "migrate"]
STATUS = {
    "tenant": "sample",
    "version": "1.2.0",
    "health": "unknown",
    "freshness_seconds": 93600,
    "last_success_at": None,
    "last_success_age_seconds": None,
    "last_run": None,
    "running_since": None,
    "text": "sample: unknown: never run",
}


def append(name, *values):
    """All lines at once: nobody sees some of them alone."""
    os.makedirs(HUB, exist_ok=True)
    with open(os.path.join(HUB, "lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(os.path.join(HUB, name), "a") as file:
            file.write("".join(json.dumps(value) + "\n" for value in values))


def line(run_id, verb, name, **more):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    identity = {"run_id": run_id, "tenant": "sample", "service": None, "verb": verb}
    identity.update(version="1.2.0", invocation_id=None, event=name, at=now)
    return {**identity, **more}


def event(*what, **more):
    append("runs.jsonl", line(*what, **more))


def recorded(verb, work):
    run_id = str(uuid.uuid4())
    ended = {"outcome": "success", "exit_code": 0, "rows": None, "duration_ms": 1}
    if FAULT == "ended-early":
        started = line(run_id, verb, "started")
        append("runs.jsonl", started, line(run_id, verb, "ended", **ended))
        time.sleep(3600)
    if FAULT != "no-record":
        event(run_id, "run" if FAULT == "recorded-as-run" else verb, "started")
    code = work()
    said = 0 if FAULT == "says-success" else code
    outcome = "success" if said == 0 or FAULT == "outcome" else "failure"
    if FAULT not in ("no-record", "no-end"):
        event(run_id, verb, "ended", **{**ended, "exit_code": said, "outcome": outcome})
    return code


def work(is_dry):
    if FAULT == "writes-here":
        open("out.csv", "w").close()
    if FAULT == "writes-home":
        subprocess.run(["sh", "-c", "echo x > ~/out.csv"], check=True)
    if FAULT == "rewrites-lake" or not is_dry:
        with open(os.path.join(os.environ["LAKE"], "items.csv"), "r+") as lake:
            lake.write("b")
    if FAULT == "signal":
        os.kill(os.getpid(), 15)
    return {"says-success": 7, "outcome": 7, "usage-code": 2, "podman-code": 125}.get(FAULT, 0)


def migrate(is_dry):
    done = os.path.join(HUB, "migrations.jsonl")
    if is_dry and FAULT != "migrates-dry":
        return 0
    if not os.path.exists(done) or FAULT == "migrates-twice":
        append("migrations.jsonl", {"migration": "0001-a", "event": "done"})
    return 0


def main():
    is_dry = os.environ.get("TESSERA_DRY_RUN", "0") not in ("", "0")
    verb = sys.argv[1].lower() if FAULT == "any-case" and len(sys.argv) > 1 else "".join(sys.argv[1:2])
    if verb not in VERBS:
        if FAULT == "records-usage":
            event("a", "run", "started")
        if FAULT == "default-verb" and not verb:
            return 0
        print("verbs:", ", ".join(VERBS[:2] if FAULT == "names-two" else VERBS), file=sys.stderr)
        return 64 if FAULT == "other-usage" else 2
    if verb == "status":
        text = dict(STATUS)
        if FAULT == "status-field":
            del text["last_run"]
        print(json.dumps(text) if "--json" in sys.argv and FAULT != "no-json" else text["text"])
        return 0 if FAULT == "status-well" else 1
    if verb == "migrate":
        return migrate(is_dry)
    is_dry = is_dry and FAULT != "run-ignores" or verb == "dry-run"
    return recorded("dry-run" if is_dry else "run", lambda: work(is_dry))


if __name__ == "__main__":
    sys.exit(main())
