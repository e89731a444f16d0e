"""Settings, TOML files with line numbers, rule packs and samples."""
