"""Studies over several runs: what each stage of a recipe is worth, and which settings train best."""
