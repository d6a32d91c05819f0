"""Writes small GeoIP2 databases (MaxMind DB file format 2.0) for tests: maps, texts and numbers, IPv4 below ::/96."""
import ipaddress
import struct
import time

MAP, TEXT, UINT16, UINT32, UINT64 = 7, 2, 5, 6, 9


def control(kind, size):
    if size >= 285:
        raise ValueError("too long for a test")
    head = bytes([29, size - 29]) if size >= 29 else bytes([size])
    if kind > 7:
        return bytes([head[0], kind - 7]) + head[1:]
    return bytes([kind << 5 | head[0]]) + head[1:]


def number(kind, value):
    data = value.to_bytes(8, "big").lstrip(b"\0")
    return control(kind, len(data)) + data


def value(v):
    """A dict, a text, a number (32 bits)."""
    if isinstance(v, dict):
        return control(MAP, len(v)) + b"".join(value(k) + value(x) for k, x in v.items())
    if isinstance(v, int):
        return number(UINT32, v)
    if isinstance(v, bytes):
        return v
    data = v.encode()
    return control(TEXT, len(data)) + data


def write(path, kind, networks):
    """networks: {"192.0.2.0/24": {...}}; a later one lies inside an earlier one or apart."""
    root = [None, None]
    for text, record in networks.items():
        net = ipaddress.ip_network(text)
        bits, length = int(net.network_address), net.prefixlen
        if net.version == 4:
            length += 96
        node = root
        for depth in range(length - 1):
            side = bits >> (127 - depth) & 1
            if not isinstance(node[side], list):
                node[side] = [node[side], node[side]]
            node = node[side]
        node[bits >> (128 - length) & 1] = value(record)
    nodes, queue = [], [root]
    while queue:
        node = queue.pop()
        nodes.append(node)
        queue.extend(x for x in node if isinstance(x, list))
    index = {id(node): i for i, node in enumerate(nodes)}
    data, where = b"", {}
    tree = b""
    for node in nodes:
        for x in node:
            if isinstance(x, bytes) and x not in where:
                where[x] = len(data)
                data += x
            tree += struct.pack("!I", len(nodes) if x is None else index[id(x)] if isinstance(x, list)
                                else len(nodes) + 16 + where[x])
    metadata = value({
        "binary_format_major_version": number(UINT16, 2), "binary_format_minor_version": number(UINT16, 0),
        "build_epoch": number(UINT64, int(time.time())), "database_type": kind, "description": {"en": "test"},
        "ip_version": number(UINT16, 6), "languages": control(11, 0), "node_count": len(nodes),
        "record_size": number(UINT16, 32)})
    with open(path, "wb") as f:
        f.write(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + metadata)
