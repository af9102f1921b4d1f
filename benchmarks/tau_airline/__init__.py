"""The airline of tau-bench: its tools, its books, its policy as rules, and recorded runs."""
