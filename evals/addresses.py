"""Where an endpoint really is: the addresses behind its name, and which of them are refused.

A name is resolved when an administrator registers an endpoint, and again by the worker before
each run. Between that check and a connection a name may change its answer (re-binding), and a
server may redirect: so the engine's process of such a run looks once more at every address as
it connects (``guard``), and ends where one is refused. No Django here: that process has none.

Refused are link-local, multicast, unspecified and reserved addresses, the known addresses of
cloud metadata services, and loopback unless the site permits it and the address is written as
such (``localhost``, ``127.0.0.1``, ``[::1]``). Private networks are allowed: model servers
stand there.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
METADATA = {
    ipaddress.ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
}
THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
CONNECTS = {"socket.connect", "socket.sendto"}


class BadAddress(ValueError):
    """An address that no run may reach; the message says why."""


def check(base_url: str, *, local: bool) -> None:
    """Resolve an endpoint's name and look at every address; raises BadAddress.

    ``local`` says whether the site permits servers on its own machine.
    """
    host, port = _place(base_url)
    written = is_local(base_url)
    if written and not local:
        raise BadAddress(f"{host} is this machine, and endpoints there are not permitted.")
    for address in _resolved(host, port):
        if why := refusal(address, local=written):
            said = f"{host} is {address}" if str(address) != host else host
            raise BadAddress(f"{said}, {why}: no endpoint.")


def is_local(base_url: str) -> bool:
    """Whether an address is written as one of this machine's own."""
    host = _place(base_url)[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def refusal(address: Address, *, local: bool) -> str:
    """Why nothing is sent to an address; empty where nothing speaks against it."""
    address = _inner(address)
    if address.is_loopback:
        return "" if local else "this machine under another name"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address in METADATA:
        return "a cloud's metadata service"
    if address.is_unspecified or address.is_reserved or address in THIS_NETWORK:
        return "a reserved address"
    return ""


def guard(*, local: bool) -> None:
    """From now on end this process where it connects to an address that is refused."""

    def look(event: str, given: tuple[Any, ...]) -> None:
        if event not in CONNECTS or given[0].family not in {socket.AF_INET, socket.AF_INET6}:
            return
        host = str(given[1][0])
        try:
            why = refusal(ipaddress.ip_address(host.partition("%")[0]), local=local)
        except ValueError:
            why = "a name where an address is needed"
        if why:
            print(f"The endpoint led to {host}, {why}. The run was ended.", file=sys.stderr)
            sys.stderr.flush()
            os._exit(1)

    sys.addaudithook(look)


def _place(base_url: str) -> tuple[str, int | None]:
    """Host and port of an address; raises BadAddress."""
    try:
        parts = urlsplit(base_url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise BadAddress(f"This is no address: {error}.") from None
    if not host:
        raise BadAddress("This address names no host.")
    return host, port


def _resolved(host: str, port: int | None) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise BadAddress(f"The name {host[:80]} does not resolve.") from None
    return [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in found]


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, where it carries one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
