"""What is right and wrong about a data folder, for the doctor and the dashboard."""
