"""The soak: deploys, watchers and random faults together, and what every watcher was told is checked."""
