"""Kernels of the tests get ports of their own."""

import itertools
import json
from pathlib import Path

from jupyter_client.manager import start_new_kernel
from kernel_ports import EACH, FIRST, own_ports


def test_workers_share_no_port():
    shares = [set(itertools.islice(own_ports(f"gw{n}", 4711), EACH)) for n in range(4)]
    assert [len(share) for share in shares] == [EACH] * 4
    assert len(set.union(*shares)) == 4 * EACH


def test_a_kernel_is_started_on_them():
    manager, client = start_new_kernel()
    try:
        ports = json.loads(Path(manager.connection_file).read_text(encoding="utf-8"))
        assert all(FIRST <= ports[name] < FIRST + 10 * EACH for name in ports if "_port" in name)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
