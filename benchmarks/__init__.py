"""What is measured: speed/ and its results.json, how many visitors in sizing/, a 2B in real_size/."""
