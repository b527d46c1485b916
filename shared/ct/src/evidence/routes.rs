//! The routes that an agent is given by.

use dicom_dictionary_std::tags;

use crate::data_set::Fields;
use crate::words::{Route, read_route};

/// The route over all that is stated: one vascular route is enough.
pub(super) fn find_route(fields: Fields<'_>) -> Route {
    let stated: Vec<Route> = fields
        .text(tags::CONTRAST_BOLUS_ROUTE)
        .map(|text| read_route(&text).0)
        .into_iter()
        .chain(route_items(fields).iter().map(|item| coded_route(*item)))
        .collect();
    overall(stated.into_iter())
}

/// One route over several: one vascular route is enough.
pub(super) fn overall(routes: impl Iterator<Item = Route>) -> Route {
    routes.fold(Route::Unstated, |overall, route| match (overall, route) {
        (Route::Vascular, _) | (_, Route::Vascular) => Route::Vascular,
        (Route::Other, _) | (_, Route::Other) => Route::Other,
        _ => Route::Unstated,
    })
}

/// Items of the route sequence, of the data set or inside the items of the agent sequence.
pub(super) fn route_items(fields: Fields<'_>) -> Vec<Fields<'_>> {
    let route = tags::CONTRAST_BOLUS_ADMINISTRATION_ROUTE_SEQUENCE;
    let nested = fields.items(tags::CONTRAST_BOLUS_AGENT_SEQUENCE).flat_map(|agent| agent.items(route));
    fields.items(route).chain(nested).collect()
}

/// A coded route (PS3.16 CID 11), by code where it is known, else by meaning.
pub(super) fn coded_route(item: Fields<'_>) -> Route {
    match item.text(tags::CODE_VALUE).as_deref() {
        // Intravenous and intra-arterial, in SNOMED CT and in the older SNOMED RT.
        Some("47625008" | "58100008" | "G-D101" | "G-D102") => Route::Vascular,
        // Oral and rectal.
        Some("26643006" | "37161004" | "G-D140" | "G-D160") => Route::Other,
        _ => item.text(tags::CODE_MEANING).map_or(Route::Unstated, |meaning| read_route(&meaning).0),
    }
}
