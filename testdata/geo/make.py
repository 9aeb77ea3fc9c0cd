#!/usr/bin/env python3
"""Makes the test files of countries and autonomous systems in this folder, with documentation networks alone.

    python3 -m venv /tmp/geo && /tmp/geo/bin/pip install mmdb-writer==0.2.7 && /tmp/geo/bin/python testdata/geo/make.py

The layouts are those of the files that operators have: country.mmdb and as.mmdb as GeoLite2, moved.mmdb a later country.mmdb in
which networks have moved, both.mmdb a flat file with both as IPinfo has, old.mmdb one that was built in 2020. The build dates are
fixed, so that the files are the same whenever they are made.
"""

import pathlib

import mmdb_writer
from mmdb_writer import MMDBWriter
from netaddr import IPSet

HERE = pathlib.Path(__file__).parent
NETWORKS = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]
COUNTRIES = ["DE", "FR", "US", "JP"]
BUILT = 1_795_000_000  # 2026-11-18
OLD = 1_600_000_000  # 2020-09-13


def make(name, kind, records, built=BUILT):
    writer = MMDBWriter(6, kind, languages=["en"], description="test networks", ipv4_compatible=True, int_type="u32")
    for network, record in records:
        writer.insert_network(IPSet([network]), record)
    # The writer takes the build date from the clock.
    mmdb_writer.time.time = lambda: built
    writer.to_db_file(str(HERE / name))


def country(code):
    return {"country": {"iso_code": code, "names": {"en": code}}, "registered_country": {"iso_code": "US"}}


def system(number, name):
    return {"autonomous_system_number": number, "autonomous_system_organization": name}


make("country.mmdb", "GeoLite2-Country", [(net, country(code)) for net, code in zip(NETWORKS, COUNTRIES)])
make("moved.mmdb", "GeoLite2-Country", [(net, country(code)) for net, code in zip(NETWORKS, ["SE", "SE", "NO", "FI"])])
make("old.mmdb", "GeoLite2-Country", [(NETWORKS[0], country("DE"))], OLD)
make(
    "as.mmdb",
    "GeoLite2-ASN",
    [
        (NETWORKS[0], system(64496, "Example Net")),
        (NETWORKS[1], system(64497, "Turned \u202eName\x1b[31m " + "x" * 200)),
        (NETWORKS[3], system(64511, "Beispiel ß")),
    ],
)
make(
    "both.mmdb",
    "ipinfo generic_country_asn_free.mmdb",
    [
        (NETWORKS[0], {"country": "DE", "country_name": "Germany", "asn": "AS64496", "as_name": "Example Net"}),
        (NETWORKS[1], {"country": "France", "country_code": "FR", "asn": "AS64497", "as_name": "Exemple"}),
        (NETWORKS[2], {"registered_country": {"iso_code": "US"}, "traits": {"autonomous_system_number": 64498}}),
        (NETWORKS[3], {"country": 7, "asn": "unknown", "as_name": ["odd"]}),
    ],
)
