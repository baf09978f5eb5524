"""The verbs: plain functions whose first parameter is a unit (one transaction) or the gateway."""
