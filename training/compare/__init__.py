"""Our model beside others: baselines, and kinds of autoencoders."""
