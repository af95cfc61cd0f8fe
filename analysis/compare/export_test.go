package compare

// Differs is differs.
var Differs = differs
