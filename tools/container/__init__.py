"""The container image, linted and rehearsed without a container engine: `make container-check`."""
