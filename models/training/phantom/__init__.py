"""Synthetic CT of head, neck, chest and abdomen, drawn from seeds and written as DICOM."""
