"""What operators ask a node: the API's answers, and the verbs that print them."""
