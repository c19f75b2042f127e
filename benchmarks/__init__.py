"""What is measured: speed in results.json and its page, how many visitors in sizing/, a 2B in real_size/."""
