"""What all suites share: where things are kept, brokers, results, and running programs."""
