"""Pages for reviewers: the queue, one approval, threads as they go, figures."""
