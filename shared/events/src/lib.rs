//! Every event shape in, one type out.
