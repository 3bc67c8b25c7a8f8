"""Where the bytes go: architectures, the closed form, the allocator; one MemoryProfile for all fidelities."""
