"""What schemathesis is told about the API beside its document.

Some answers have no end: a watch, a log that is followed. Of these the head and what comes within
a moment is looked at, like any other answer, and the connection is closed.
"""

from urllib.parse import urlsplit

from requests import Response
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

# How long the next piece of a stream is waited for, in seconds.
MOMENT = 0.1
# How much of one is enough: a watch of a busy plane never pauses.
BYTES_MAX = 64 * 1024

_send = HTTPAdapter.send


def _is_stream(response: Response) -> bool:
    path = urlsplit(response.url).path
    return response.ok and (path == "/v1/watch" or path.endswith("/logs"))


def _beginning(response: Response) -> bytes:
    """What of an answer comes before it pauses."""
    response.raw._fp.fp.raw._sock.settimeout(MOMENT)
    taken = b""
    try:
        while len(taken) < BYTES_MAX and (piece := response.raw.read1(4096)):
            taken += piece
    except (HTTPError, TimeoutError):
        pass
    return taken


def send(self, request, **options):
    """Sends a request, and gives a stream as if it had ended."""
    options["stream"] = True
    response = _send(self, request, **options)
    if _is_stream(response):
        response._content = _beginning(response)
        response._content_consumed = True
        response.close()
    return response


HTTPAdapter.send = send
