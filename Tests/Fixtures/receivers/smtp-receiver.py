#!/usr/bin/env python3
"""Receives mail with aiosmtpd, treats each mail as it is told, and says what it got.

    smtp-receiver.py DIRECTORY (plain|starttls|tls) (open|PASSWORD) [BEHAVIOUR...]

With TLS, makes a certificate for 127.0.0.1 in DIRECTORY/certificate.pem first. The user is 'segue'.
The first mail gets the first behaviour, and all after the last are taken:

    ok        250
    NUMBER    that answer instead
    lose      takes the mail, and closes the connection without an answer
    drop      closes the connection, and takes nothing

Recipients that begin with 'refused' are refused for good, and ones with 'later' for now.
Prints the port, then one line of JSON for each mail.
"""

import asyncio
import email
import email.policy
import json
import ssl
import subprocess
import sys

from aiosmtpd.smtp import SMTP, AuthResult

directory, security, password = sys.argv[1:4]
behaviours = sys.argv[4:]


def certificate():
    """A context with a new certificate."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", f"{directory}/key.pem", "-out", f"{directory}/certificate.pem"],
        check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/certificate.pem", f"{directory}/key.pem")
    return context


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 nobody of that name"
        if address.startswith("later"):
            return "450 4.2.0 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        behaviour = behaviours.pop(0) if behaviours else "ok"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        accepted = behaviour in ("ok", "lose")
        print(json.dumps({
            "behaviour": behaviour,
            "accepted": accepted,
            "verified": (security == "plain" or session.ssl is not None or security == "tls")
            and (password == "open" or session.authenticated) and not mail.defects,
            "path": ",".join(envelope.rcpt_tos),
            "id": mail["message-id"],
            "type": mail["subject"],
            "body": mail.get_content(),
        }), flush=True)
        if behaviour in ("lose", "drop"):
            server.transport.abort()
            return "250 never said"
        return "250 OK" if accepted else f"{behaviour} as told"


def authenticate(server, session, envelope, mechanism, data):
    success = data.login == b"segue" and data.password == password.encode()
    # Not handled: the server answers for us.
    return AuthResult(success=success, handled=success)


async def main():
    context = None if security == "plain" else certificate()
    loop = asyncio.get_running_loop()

    def protocol():
        return SMTP(
            Handler(), loop=loop, hostname="localhost", enable_SMTPUTF8=False,
            tls_context=context if security == "starttls" else None,
            require_starttls=security == "starttls",
            authenticator=authenticate, auth_required=password != "open",
            auth_require_tls=security == "starttls")

    server = await loop.create_server(
        protocol, "127.0.0.1", 0, ssl=context if security == "tls" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
