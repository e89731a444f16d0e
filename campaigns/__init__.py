"""Pure: what a campaign means. No I/O, no clock; `now` is always an argument."""
