//! No patient identity in the lake, on the screen or in logs.

use bolus_testkit::SyntheticSeries;

use crate::support::{bolus, sql, temp};

#[test]
fn patient_ids_are_kept_as_keyed_digests_or_not_at_all() {
    let folder = temp();
    let input = folder.path().join("in");
    let series = SyntheticSeries::chest("1.2.826.0.3.1", 12);
    assert!(series.patient_id.contains("SYNTHETIC"));
    series.write(&input);
    let key = folder.path().join("key");
    std::fs::write(&key, "a key of more than sixteen bytes\n").unwrap();
    let mut digests = Vec::new();
    for (lake, with_key) in [("without", false), ("with", true)] {
        let lake = folder.path().join(lake);
        let mut command = bolus();
        command.arg("label").arg(&input).arg("--lake").arg(&lake).args([
            "--json",
            "--bench-skip-inference",
            "--log",
            "trace",
        ]);
        if with_key {
            command.arg("--patient-key-file").arg(&key);
        }
        let output = command.output().unwrap();
        assert!(output.status.success());
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains("SYNTHETIC"));
        let rows = sql(&lake, "SELECT * FROM labels");
        assert!(!rows[0].to_string().contains("SYNTHETIC"));
        digests.push(rows[0]["patient_key"].clone());
    }
    assert!(digests[0].is_null());
    assert_eq!(digests[1].as_str().unwrap().len(), 64);
}
