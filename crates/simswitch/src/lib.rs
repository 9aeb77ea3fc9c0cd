//! A FreeSWITCH that speaks the real event socket, plays captures and acts out phones and attackers.
