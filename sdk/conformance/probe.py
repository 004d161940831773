"""A tenant that does as it is told, for the conformance suite in this folder."""

import os
import signal
import time

from tessera_lifecycle import Done, Failure, LifecycleApp


def act(what, context):
    what, _, argument = what.partition(":")
    if what == "rows":
        return Done(rows=int(argument))
    if what == "told":
        context.rows(int(argument))
    elif what == "code":
        return int(argument)
    elif what == "fail":
        code, _, text = argument.partition(":")
        raise Failure(int(code), text)
    elif what == "error":
        raise OSError(argument)
    elif what == "crash":
        raise GeneratorExit("as it was told")
    elif what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "wait":
        wait(argument)
    elif what == "show":
        show(context)
    elif what not in ("", "done"):
        raise Failure(100, f"PROBE has the unknown {what}")
    return None


def wait(file):
    with open(f"{file}.waiting", "w"):
        pass
    while not os.path.exists(file):
        time.sleep(0.01)


def show(context):
    print("tenant", context.manifest.name, context.manifest.version)
    print("service", context.service or "-")
    print("dry-run", str(context.is_dry_run).lower(), os.environ.get("TESSERA_DRY_RUN", ""))
    print("arguments", " ".join(context.arguments))
    context.log("logged")


def migration(text):
    id, _, what = text.partition("=")

    def apply(context):
        print("migrating", id)
        return act(what, context)

    return id, apply


if __name__ == "__main__":
    registered = filter(None, os.environ.get("PROBE_MIGRATIONS", "").split(","))
    LifecycleApp(
        run=lambda context: act(os.environ.get("PROBE", ""), context),
        migrations=[migration(text) for text in registered],
    ).main()
