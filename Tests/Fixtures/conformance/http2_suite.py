"""HTTP/2 through the proxy, as clients see it that nobody here wrote (RFC 9113, RFC 7541).

Says the port of its application, waits for a line with the proxy's port, and says what became of
each case. `{"want": "idle"}` asks for a look whether no request is under way, `{"want": "drain"}`
for the proxy to begin its shutdown. All of it is one JSON object a line.

  http2_suite.py plain|tls
"""

import sys
import traceback

import application
import http2_connection
import http2_requests
import http2_streams
import trial
from suite import say

# Importing the others has entered their cases.
assert http2_connection and http2_requests
LAST = http2_streams.a_drain_is_announced_and_then_done


def run(name, function, port, tls, app):
    """One case, whatever comes of it."""
    one = trial.Trial(port, tls, app)
    try:
        function(one)
        problem = None
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        line = [each for each in where if "http2_" in each.filename][-1].lineno
        problem = f"{type(error).__name__} in line {line}: {error}"
    finally:
        one.close()
    say(case=name, problem=problem)


def main():
    """See the module."""
    tls = sys.argv[1] == "tls"
    app = application.Application()
    say(application=app.port)
    port = int(sys.stdin.readline())
    for name, function in trial.CASES:
        run(name, function, port, tls, app)
    say(want="idle")
    sys.stdin.readline()
    run(LAST.__name__, LAST, port, tls, app)


main()
