"""The rules that tests/conftest.py lays on every test do hold."""

import socket
import subprocess
import sys

import pytest
import torch


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "2001:db8::1"])
def test_a_test_cannot_reach_another_machine(host: str):
    with pytest.raises(RuntimeError, match="do not use the network"):
        socket.create_connection((host, 80), timeout=1)


def test_a_test_can_reach_its_own_machine():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()


def test_torch_runs_on_one_thread_here_and_in_subprocesses():
    script = "import torch; print(torch.get_num_threads())"
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert (torch.get_num_threads(), child.stdout.strip()) == (1, "1")


@pytest.mark.parametrize("repeat", [1, 2])
def test_every_test_starts_at_the_same_random_numbers(repeat: int, generator: torch.Generator):
    expected = torch.Generator().manual_seed(0).initial_seed()
    assert torch.initial_seed() == generator.initial_seed() == expected
