"""The container image, linted and rehearsed where no container engine is: `make container-check`."""
