"""What is told of sites in trouble, and to whom: operators, subscribers, whoever waits for a desk to be watchable."""
