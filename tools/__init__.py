"""What brings the real Pulumi engine, container engine, build image and AWS emulator up, where they are missing."""
