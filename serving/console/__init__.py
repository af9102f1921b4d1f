"""The console in which people decide approvals, in any browser."""
