"""What is maximised: bounds on log p(x), and what is built of them."""
