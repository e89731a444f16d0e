"""The world around the engine in a simulation: machines that fail, a network that lies, operators who act."""
