#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`vadose profile fetch` against an HTTP server on loopback and against
symbol-store directories.

test_fetch.py VADOSE HAVE_CURL
"""
import fcntl
import http.server
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

VADOSE = sys.argv.pop(1)
HAVE_CURL = sys.argv.pop(1) == '1'
NAME = 'ntkrnlmp.pdb'
GUID = '00112233445566778899AABBCCDDEEFF'


def make_pdb(guid=GUID, age=1, padding=0):
    """An MSF file with info and DBI streams and no types."""
    block = 4096
    raw = bytes.fromhex(guid)
    raw = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
    info = struct.pack('<III', 20000404, 1, 7) + raw
    dbi = struct.pack('<iII', -1, 19990903, age) + b'\xff\xff\0\0' * 3
    dbi = dbi.ljust(58, b'\0') + struct.pack('<HI', 0x8664, 0)
    streams = [b'', info, b'', dbi, os.urandom(padding)]
    blocks, numbers = [], []
    for s in streams:
        mine = []
        for at in range(0, len(s), block):
            mine.append(3 + len(blocks))
            blocks.append(s[at:at + block].ljust(block, b'\0'))
        numbers += mine
    directory = struct.pack('<I', len(streams)) + b''.join(
        struct.pack('<I', len(s)) for s in streams) + b''.join(
        struct.pack('<I', n) for n in numbers)
    at = 3 + len(blocks)
    assert len(directory) <= block
    blocks += [directory.ljust(block, b'\0'),
               struct.pack('<I', at).ljust(block, b'\0')]
    head = b'Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0' + struct.pack(
        '<IIIIII', block, 1, 3 + len(blocks), len(directory), 0, at + 1)
    return head.ljust(3 * block, b'\0') + b''.join(blocks)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `files`; `cuts` says after how many bytes to hang up."""
    files, cuts, log = {}, [], []
    ranges = True

    def do_GET(self):
        wanted = self.headers.get('Range')
        self.log.append((self.path, wanted))
        if self.path.startswith('/moved/'):
            self.send_response(302)
            self.send_header('Location', self.path[6:])
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        data = self.files.get(self.path)
        if data is None:
            body = b'<html>no such file</html>'
            self.send_response(404)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        start = 0
        if wanted and self.ranges:
            start = int(wanted[len('bytes='):].split('-')[0])
            if start >= len(data):
                self.send_response(416)
                self.send_header('Content-Length', '0')
                self.end_headers()
                return
            self.send_response(206)
            self.send_header('Content-Range', 'bytes %d-%d/%d' % (
                start, len(data) - 1, len(data)))
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(data) - start))
        self.end_headers()
        part = data[start:]
        if self.cuts:
            part = part[:self.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(part)

    def log_message(self, *args):
        pass


class Fetch(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.cache = os.path.join(self.dir.name, 'cache')
        Handler.files, Handler.cuts, Handler.log = {}, [], []
        Handler.ranges = True
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                      Handler)
        self.url = 'http://127.0.0.1:%d' % self.server.server_port
        # shutdown() waits for so many seconds, half a one by default.
        thread = threading.Thread(target=self.server.serve_forever,
                                  args=(0.01,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def store(self, root=None, key=GUID + '1'):
        return '%s/%s/%s/%s' % (root or self.cache, NAME, key, NAME)

    def serve(self, data, key=GUID + '1'):
        Handler.files['/%s/%s/%s' % (NAME, key, NAME)] = data

    def put(self, path, data):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(data)

    def run_fetch(self, *args, path=None, status=0):
        env = {k: v for k, v in os.environ.items()
               if not k.lower().endswith('_proxy')}
        env.pop('XDG_CACHE_HOME', None)
        env['HOME'] = self.dir.name
        env['_NT_SYMBOL_PATH'] = path if path is not None else \
            'srv*%s*%s' % (self.cache, self.url)
        r = subprocess.run([VADOSE, 'profile', 'fetch', *args], env=env,
                           capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, status, r.stderr)
        return r

    def need_curl(self):
        if not HAVE_CURL:
            self.skipTest('built without libcurl')

    def read(self, path):
        with open(path, 'rb') as f:
            return f.read()

    def test_downloads_into_the_cache_once(self):
        self.need_curl()
        pdb = make_pdb(padding=300000)
        self.serve(pdb)
        r = self.run_fetch('--pdb-only', GUID + '1')
        self.assertEqual(r.stdout, self.store() + '\n')
        self.assertEqual(r.stderr, '')      # no terminal, no progress
        self.assertEqual(self.read(self.store()), pdb)
        self.run_fetch('--pdb-only', GUID + '1')
        self.assertEqual(len(Handler.log), 1)
        self.assertEqual(os.listdir(os.path.dirname(self.store())), [NAME])

    def test_writes_the_profile(self):
        self.need_curl()
        self.serve(make_pdb(age=0x1f), key=GUID + '1F')
        out = os.path.join(self.dir.name, 'x.yaml')
        self.run_fetch(NAME, '{%s-%s-%s-%s-%s}-31' % (
            GUID[:8], GUID[8:12], GUID[12:16], GUID[16:20], GUID[20:]),
            '-o', out)
        text = self.read(out).decode()
        self.assertIn("guid: '%s'\nage: 31\narch: x64\n" % GUID, text)
        self.assertIn('pdb: %s\n' % NAME, text)

    def test_follows_redirections(self):
        self.need_curl()
        self.serve(make_pdb())
        self.run_fetch('--pdb-only', GUID + '1', path='srv*%s*%s/moved/' % (
            self.cache, self.url))
        self.assertTrue(os.path.exists(self.store()))

    def test_goes_on_where_a_connection_broke(self):
        self.need_curl()
        pdb = make_pdb(padding=300000)
        self.serve(pdb)
        Handler.cuts = [100000, 50000]
        self.run_fetch('--pdb-only', GUID + '1')
        self.assertEqual(self.read(self.store()), pdb)
        self.assertEqual([r for _, r in Handler.log],
                         [None, 'bytes=100000-', 'bytes=150000-'])

    def test_goes_on_in_the_next_run(self):
        self.need_curl()
        pdb = make_pdb(padding=300000)
        self.put(self.store() + '.part', pdb[:70000])
        self.serve(pdb)
        self.run_fetch('--pdb-only', GUID + '1')
        self.assertEqual(self.read(self.store()), pdb)
        self.assertEqual(Handler.log[0][1], 'bytes=70000-')
        self.assertFalse(os.path.exists(self.store() + '.part'))

    def test_keeps_what_came_when_it_gets_no_further(self):
        self.need_curl()
        self.serve(make_pdb(padding=300000))
        Handler.cuts = [100000] + [0] * 50
        r = self.run_fetch('--pdb-only', GUID + '1', status=69)
        self.assertEqual(os.path.getsize(self.store() + '.part'), 100000)
        self.assertFalse(os.path.exists(self.store()))
        self.assertIn('curl -fL', r.stderr)

    def test_leaves_another_fetch_alone(self):
        self.need_curl()
        self.serve(make_pdb())
        part = self.store() + '.part'
        self.put(part, b'x')
        with open(part, 'r+b') as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            r = self.run_fetch('--pdb-only', GUID + '1', status=73)
            self.assertIn('another process', r.stderr)
            self.assertEqual(f.read(), b'x')

    def test_starts_again_without_ranges(self):
        self.need_curl()
        pdb = make_pdb(padding=300000)
        self.put(self.store() + '.part', b'x' * 70000)
        self.serve(pdb)
        Handler.ranges = False
        self.run_fetch('--pdb-only', GUID + '1')
        self.assertEqual(self.read(self.store()), pdb)

    def test_starts_again_if_the_start_is_too_long(self):
        self.need_curl()
        pdb = make_pdb()
        self.put(self.store() + '.part', b'x' * (len(pdb) + 5))
        self.serve(pdb)
        self.run_fetch('--pdb-only', GUID + '1')
        self.assertEqual(self.read(self.store()), pdb)

    def test_refuses_another_kernels_pdb(self):
        self.need_curl()
        other = 'FF' + GUID[2:]
        self.serve(make_pdb(guid=other))
        r = self.run_fetch('--pdb-only', GUID + '1', status=4)
        self.assertIn(other + '1, not the ' + GUID + '1', r.stderr)
        self.assertEqual(os.listdir(os.path.dirname(self.store())), [])

    def test_refuses_another_age(self):
        self.need_curl()
        self.serve(make_pdb(age=2))
        r = self.run_fetch('--pdb-only', GUID + '1', status=4)
        self.assertIn(GUID + '2, not the ' + GUID + '1', r.stderr)
        self.assertEqual(os.listdir(os.path.dirname(self.store())), [])

    def test_refuses_what_is_no_pdb(self):
        self.need_curl()
        self.serve(b'<html>Please log in to the hotel network</html>')
        r = self.run_fetch('--pdb-only', GUID + '1', status=4)
        self.assertIn('not a PDB', r.stderr)
        self.assertEqual(os.listdir(os.path.dirname(self.store())), [])

    def test_caps_the_size(self):
        self.need_curl()
        self.serve(make_pdb(padding=300000))
        r = self.run_fetch('--pdb-only', '--max-size', '100000', GUID + '1',
                           status=69)
        self.assertIn('more than 100000 bytes', r.stderr)
        self.assertFalse(os.path.exists(self.store()))
        self.assertLessEqual(
            os.path.getsize(self.store() + '.part'), 100000)

    def test_asks_the_next_server(self):
        self.need_curl()
        self.serve(make_pdb())
        r = self.run_fetch('--pdb-only', GUID + '1', path=(
            'srv*%s*%s/nothing;srv*%s*%s' % (
                self.cache, self.url, self.cache, self.url)))
        self.assertEqual(r.stdout, self.store() + '\n')
        self.assertEqual([p.split('/')[1] for p, _ in Handler.log],
                         ['nothing', NAME])

    def test_says_what_to_do_when_no_server_has_it(self):
        self.need_curl()
        r = self.run_fetch('--pdb-only', GUID + '1', status=69)
        self.assertIn('not there (status 404)', r.stderr)
        self.check_advice(r.stderr)
        self.assertFalse(os.path.exists(self.store() + '.part'))

    def test_says_what_to_do_without_a_network(self):
        self.server.shutdown()
        self.server.server_close()
        r = self.run_fetch('--pdb-only', GUID + '1', status=69)
        self.check_advice(r.stderr)

    def check_advice(self, text):
        url = 'https://msdl.microsoft.com/download/symbols/%s/%s1/%s' % (
            NAME, GUID, NAME)
        self.assertIn('it is at ' + url, text)
        self.assertIn('curl -fL -o %s %s' % (NAME, url), text)
        self.assertIn('vadose profile from-pdb %s -o ' % NAME, text)
        self.assertEqual(text.count('\n'), 1)

    def test_reads_a_store_without_a_network(self):
        pdb = make_pdb()
        store = os.path.join(self.dir.name, 'store')
        self.put(self.store(store), pdb)
        for path in ('srv*' + store, store, 'cache*' + store,
                     'srv*%s*%s' % (store, self.url),
                     'symsrv*symsrv.dll*%s*%s' % (store, self.url),
                     '/nowhere;;srv*' + store):
            r = self.run_fetch('--pdb-only', GUID.lower() + '1', path=path)
            self.assertEqual(r.stdout, self.store(store) + '\n')
        r = self.run_fetch('--pdb-only', '--offline', GUID + '1',
                           path='srv*%s*%s' % (store, self.url))
        self.assertEqual(Handler.log, [])

    def test_reads_stores_in_lower_case_and_flat(self):
        pdb = make_pdb()
        store = os.path.join(self.dir.name, 'store')
        lower = self.store(store)
        lower = store + lower[len(store):].lower()
        self.put(lower, pdb)
        r = self.run_fetch('--pdb-only', GUID + '1', path='srv*' + store)
        self.assertEqual(r.stdout, lower + '\n')
        flat = os.path.join(self.dir.name, 'flat', NAME)
        self.put(flat, pdb)
        r = self.run_fetch('--pdb-only', GUID + '1',
                           path=os.path.dirname(flat))
        self.assertEqual(r.stdout, flat + '\n')
        r = self.run_fetch('--pdb-only', GUID + '2', status=69,
                           path=os.path.dirname(flat))
        self.assertIn('not the ' + GUID + '2', r.stderr)

    def test_refuses_a_store_with_another_pdb(self):
        store = os.path.join(self.dir.name, 'store')
        self.put(self.store(store), make_pdb(guid='FF' + GUID[2:]))
        r = self.run_fetch('--pdb-only', GUID + '1', status=4, path=store)
        self.assertIn('not the ' + GUID, r.stderr)

    def test_uses_the_default_cache(self):
        self.need_curl()
        self.serve(make_pdb())
        default = os.path.join(self.dir.name, '.cache/vadose/symbols')
        for path in ('srv**' + self.url, self.url):
            r = self.run_fetch('--pdb-only', GUID + '1', path=path)
            self.assertEqual(r.stdout, self.store(default) + '\n')
            os.remove(self.store(default))
        other = os.path.join(self.dir.name, 'other')
        r = self.run_fetch('--pdb-only', GUID + '1',
                           path='cache*%s;%s' % (other, self.url))
        self.assertEqual(r.stdout, self.store(other) + '\n')

    def test_refuses_nonsense(self):
        for args in ([], ['123'], [GUID], [GUID + 'x'], ['a', GUID + '1', 'b'],
                     ['../x.pdb', GUID + '1'], [GUID + '1', '--nonsense'],
                     [GUID + '1', '--max-size', '0'],
                     [GUID + '1', '--symbol-path']):
            self.run_fetch(*args, status=64)
        self.run_fetch(GUID + '1', status=64, path='symsrv*other.dll*x')
        self.run_fetch(GUID + '1', status=64, path='nonsense*x')

    def test_asks_the_image_which_pdb(self):
        self.need_curl()
        archive = os.path.join(os.environ.get('VDS_SHARED_DATA', ''),
                               'images', 'basic-7601.tar.zst')
        if not os.path.isfile(archive) or not shutil.which('zstd'):
            self.skipTest('no image, or no zstd')
        subprocess.run(['tar', '-I', 'zstd', '--sparse', '-C', self.dir.name,
                        '-xf', archive], check=True)
        image = os.path.join(self.dir.name, 'basic-7601')
        with open(image + '.manifest.json') as f:
            wanted = json.load(f)['isf']
        key = '%s%X' % (wanted['guid'], wanted['age'])
        self.assertEqual(wanted['pdb'], NAME)
        self.serve(make_pdb(guid=wanted['guid'], age=wanted['age']), key=key)
        r = self.run_fetch('-f', image + '.raw', '--pdb-only')
        self.assertEqual(r.stdout, self.store(key=key) + '\n')
        r = self.run_fetch('-f', image + '.manifest.json', status=4)

    def test_shows_progress_when_asked(self):
        self.need_curl()
        self.serve(make_pdb(padding=300000))
        r = self.run_fetch('--pdb-only', '--progress=always', GUID + '1')
        self.assertIn('(100 %)', r.stderr)


if __name__ == '__main__':
    unittest.main()
