"""How good it was: cases, evaluators, baselines, reports, in LangSmith and offline."""
