//! The FreeSWITCH event socket protocol, both ends.
