"""The SDK of tenants: a program brings the work, and gets the four verbs ``run``, ``status``,
``dry-run`` and ``migrate``, exit codes that mean something, and a record of every run.

    from tessera_lifecycle import Done, LifecycleApp

    def run(context):
        rows = extract(write=not context.is_dry_run)
        return Done(rows=rows)

    LifecycleApp(run=run).main()

The contract is docs/reference/lifecycle.md; the files that this package writes are byte for byte
those of the Rust crate ``tessera-lifecycle``. What decides is in modules without I/O (``verbs``,
``outcome``, ``manifest``, ``durations``, ``records``, ``health``, ``openlineage``, ``textfile``,
``migrations``); ``hub`` has the files, and ``work`` and ``migrate`` call the tenant.
"""

from .app import LifecycleApp
from .context import Context
from .manifest import Manifest
from .outcome import Done, Failure

__all__ = ["Context", "Done", "Failure", "LifecycleApp", "Manifest"]
__version__ = "0.1.0"
