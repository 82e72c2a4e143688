"""Built-in families of models: numpyro functions whose parameters have names, units and sentences."""
