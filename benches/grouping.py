#!/usr/bin/env python3
"""Scores `probewatch group` on labelled captures: benches/grouping.py BINARY DERANDOM.PY

DERANDOM.PY reads the captures and makes streets, hops and crowds of them; it is in the folder of the captures, outside the
project. The measures are those that it takes of its own grouping.
"""
import collections, importlib.util, json, re, struct, subprocess, sys, tempfile

BINARY = sys.argv[1]
spec = importlib.util.spec_from_file_location('derandom', sys.argv[2])
data = importlib.util.module_from_spec(spec)
spec.loader.exec_module(data)


def write(stream, path):
    """A pcap of the frames, with channel and signal in a radiotap header."""
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 127))
        for f in stream:
            frequency = f.sensor if isinstance(f.sensor, int) else 2437
            fields, present = struct.pack('<HH', frequency, 0), 1 << 3
            if f.signal is not None:
                fields, present = fields + struct.pack('b', f.signal), present | 1 << 5
            radiotap = struct.pack('<BBHI', 0, 0, 8 + len(fields), present) + fields
            header = (b'\x40\0\0\0' + b'\xff' * 6 + bytes.fromhex(f.source) + b'\xff' * 6
                      + struct.pack('<H', f.sequence << 4))
            packet = radiotap + header + b''.join(bytes([i, len(body)]) + body for i, body in f.elements)
            micros = round(f.time * 1e6)
            out.write(struct.pack('<IIII', micros // 10**6, micros % 10**6, len(packet), len(packet)) + packet)


def run(path, *options):
    lines = subprocess.run([BINARY, 'group', *options, path], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


def score(stream):
    """V over all; in windows of half an hour V, and V as known a minute after each frame, weighed by frames;
    [(devices said, devices there)] for each window with three devices or more."""
    with tempfile.NamedTemporaryFile(suffix='.pcap') as file:
        write(stream, file.name)
        end, early = run(file.name), run(file.name, '--after', '60')
    assert len(end) == len(early) == len(stream)
    windows = collections.defaultdict(list)
    for i, f in enumerate(stream):
        if f.label is not None:
            windows[int((f.time - stream[0].time) / data.WINDOW)].append(i)
    in_window, after, total, counts = 0.0, 0.0, 0, []
    for members in windows.values():
        labels = [stream[i].label for i in members]
        if len(set(labels)) < 3:
            continue
        at_least = collections.defaultdict(int)
        for i in members:
            at_least[end[i]['group']] = max(at_least[end[i]['group']], end[i]['at_least'])
        counts.append((sum(at_least.values()), len(set(labels))))
        in_window += len(members) * data.v_measure(labels, [end[i]['group'] for i in members])[0]
        after += len(members) * data.v_measure(labels, [early[i]['group'] for i in members])[0]
        total += len(members)
    chosen = [i for members in windows.values() for i in members]
    whole = data.v_measure([stream[i].label for i in chosen], [end[i]['group'] for i in chosen])[0]
    return whole, in_window / max(total, 1), after / max(total, 1), counts


def table(name, streams):
    results = [score(stream) for stream in streams]
    mean = lambda part: sum(result[part] for result in results) / len(results)
    counts = [count for result in results for count in result[3]]
    error = sum(abs(said / there - 1) for said, there in counts) / max(len(counts), 1)
    print(f'{name:28} all {mean(0):.4f}  in a window {mean(1):.4f}  after 60 s {mean(2):.4f}  '
          f'mean error of the count {error:.1%}', flush=True)


def single():
    """How many phones that are alone are reported as several, by a proof that they are."""
    phones = collections.defaultdict(list)
    for f in sorted(filter(None, data.pintor()), key=lambda f: f.time):
        phones[f.label].append(f)
    several = 0
    for stream in phones.values():
        with tempfile.NamedTemporaryFile(suffix='.pcap') as file:
            write(stream, file.name)
            lines = run(file.name)
        several += any(line['at_least'] > 1 or line['why'] == 'sequence_alternated' for line in lines)
    print(f'single phones reported as several: {several} of {len(phones)}')


pintor = sorted(filter(None, data.pintor()), key=lambda f: f.time)
streets = [data.street(pintor, seed) for seed in range(3)]
table('Pintor as a street', streets)
table('the same, one hopping radio', [data.hopping(street) for street in streets])
table('CONFRONT A', [sorted(filter(None, data.confront('A')), key=lambda f: f.time)])
for path in sorted(data.glob.glob(data.ROOT + 'lab/*.pcap')):
    table('lab ' + re.search(r'\d{4}-\d\d-\d\d', path)[0], [data.crowd(data.lab_day(path), 0)])
single()
