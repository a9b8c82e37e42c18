"""What a person does with the resources of a cluster: look, ask for a run, acknowledge, read lists."""
