"""Races clients for the same keys with `If-None-Match: *`, and checks what else the lake and the reader ask of S3.

The server is the one that BOLUS_TEST_S3_ENDPOINT names (see infra/s3-server). Exit status 0: every key was won by
exactly one client and holds that client's bytes, every loser was told 412 or 409, and ranged reads, multipart uploads
and listings are right. Only the standard library is used, so that nothing retries behind the test's back.
"""

import argparse
import datetime
import hashlib
import hmac
import http.client
import os
import sys
import threading
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree

XML = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Client:
    """One connection to the server, signing each request by AWS Signature Version 4. Not for several threads."""

    def __init__(self, environment):
        self.endpoint = urllib.parse.urlsplit(environment["BOLUS_TEST_S3_ENDPOINT"])
        self.bucket = environment["BOLUS_TEST_S3_BUCKET"]
        self.region = environment["BOLUS_TEST_S3_REGION"]
        self.access_key = environment["BOLUS_TEST_S3_ACCESS_KEY"]
        self.secret_key = environment["BOLUS_TEST_S3_SECRET_KEY"]
        self.connection = http.client.HTTPConnection(self.endpoint.hostname, self.endpoint.port, timeout=30)

    def request(self, method, key="", query=None, body=b"", headers=None):
        """Returns (status, headers, body); `key` empty addresses the bucket."""
        path = urllib.parse.quote(f"/{self.bucket}/{key}" if key else f"/{self.bucket}")
        pairs = sorted((query or {}).items())
        query_string = "&".join(f"{urllib.parse.quote(k, '')}={urllib.parse.quote(v, '')}" for k, v in pairs)
        headers = self._sign(method, path, query_string, body, headers or {})
        self.connection.request(method, path + ("?" + query_string if query_string else ""), body, headers)
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def _sign(self, method, path, query_string, body, headers):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        body_digest = hashlib.sha256(body).hexdigest()
        signed = {k.lower(): v for k, v in headers.items()}
        signed |= {"host": self.endpoint.netloc, "x-amz-date": now, "x-amz-content-sha256": body_digest}
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        canonical = "\n".join([method, path, query_string, lines, names, body_digest])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + self.secret_key).encode()
        for part in [*scope.split("/"), to_sign]:
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        )
        return signed


def expect(condition, message):
    if not condition:
        sys.exit(f"s3_race: {message}")


def race(prefix, clients, keys):
    """Lets every client create every key at the same moment; returns the wins of each client."""
    barrier = threading.Barrier(clients)
    statuses = [[0] * keys for _ in range(clients)]

    def compete(me):
        client = Client(os.environ)
        for number in range(keys):
            barrier.wait()
            # Bodies of unlike length: a torn or mixed object would show.
            body = f"client {me} ".encode() * (1000 + me)
            statuses[me][number] = client.request(
                "PUT", f"{prefix}/{number:020}.json", body=body, headers={"If-None-Match": "*"}
            )[0]

    threads = [threading.Thread(target=compete, args=(me,), daemon=True) for me in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    reader = Client(os.environ)
    for number in range(keys):
        column = [row[number] for row in statuses]
        winners = [me for me, status in enumerate(column) if status == 200]
        expect(len(winners) == 1, f"key {number} was won by {len(winners)} clients: {column}")
        expect(set(column) <= {200, 409, 412}, f"key {number}: losers expect 409 or 412, got {column}")
        body = reader.request("GET", f"{prefix}/{number:020}.json")[2]
        winner = winners[0]
        expect(body == f"client {winner} ".encode() * (1000 + winner), f"key {number} does not hold its winner's bytes")
    return [row.count(200) for row in statuses]


def check_ranges(client, prefix):
    body = bytes(range(256)) * 400
    expect(client.request("PUT", f"{prefix}/a b+c.dcm", body=body)[0] == 200, "plain PUT failed")
    for spec, wanted in [("bytes=0-131", body[:132]), ("bytes=1000-1999", body[1000:2000]), ("bytes=-100", body[-100:])]:
        status, headers, part = client.request("GET", f"{prefix}/a b+c.dcm", headers={"Range": spec})
        expect(status == 206 and part == wanted and "Content-Range" in headers, f"{spec}: status {status}, {len(part)} bytes")
    head = client.request("HEAD", f"{prefix}/a b+c.dcm")[1]
    expect(head["Content-Length"] == str(len(body)) and head["ETag"], "HEAD has not the length and the ETag")


def check_multipart(client, prefix):
    key, parts = f"{prefix}/multipart.bin", [os.urandom(5 << 20), os.urandom(1000)]
    reply = ElementTree.fromstring(client.request("POST", key, {"uploads": ""})[2])
    upload = reply.findtext(f"{XML}UploadId") or reply.findtext("UploadId")
    listing = ""
    for number, part in enumerate(parts, 1):
        etag = client.request("PUT", key, {"partNumber": str(number), "uploadId": upload}, part)[1]["ETag"]
        listing += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{listing}</CompleteMultipartUpload>".encode()
    status = client.request("POST", key, {"uploadId": upload}, body)[0]
    expect(status == 200 and client.request("GET", key)[2] == b"".join(parts), "the multipart upload is not whole")


def check_listing(client, prefix):
    names = [f"{prefix}/list/{number:03}" for number in range(25)]
    for name in names:
        client.request("PUT", name, body=b"x")
    seen, query = [], {"list-type": "2", "prefix": f"{prefix}/list/", "max-keys": "10"}
    while True:
        page = ElementTree.fromstring(client.request("GET", query=query)[2])
        namespace = XML if page.tag.startswith(XML) else ""
        seen += [entry.findtext(f"{namespace}Key") for entry in page.iter(f"{namespace}Contents")]
        token = page.findtext(f"{namespace}NextContinuationToken")
        if not token:
            break
        query["continuation-token"] = token
    expect(seen == names, f"ListObjectsV2 gave {len(seen)} of {len(names)} keys, or not in order")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--keys", type=int, default=40)
    arguments = parser.parse_args()
    prefix = f"race-{uuid.uuid4()}"
    wins = race(prefix, arguments.clients, arguments.keys)
    client = Client(os.environ)
    check_ranges(client, prefix)
    check_multipart(client, prefix)
    check_listing(client, prefix)
    print(f"s3_race: {arguments.keys} keys, {arguments.clients} clients, one winner each; wins per client {wins}")


if __name__ == "__main__":
    main()
