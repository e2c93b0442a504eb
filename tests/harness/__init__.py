"""What the process tests are written in: the product as a process, its clients, and the servers it sends to."""
