//! Where the pods of a Service are, from its EndpointSlices.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::membership::Location;

/// The slices of one Service, joined by pod. A pod may be in several: one for each family of
/// addresses, and for a moment in an old one and a new one.
#[derive(Debug, Default)]
pub struct EndpointIndex {
    /// By the name of the slice.
    slices: BTreeMap<String, Vec<Place>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    pod: String,
    address: IpAddr,
    terminating: bool,
    location: Location,
}

impl EndpointIndex {
    /// These are all slices there are.
    pub fn replace(&mut self, slices: Vec<EndpointSlice>) {
        self.slices.clear();
        for slice in slices {
            self.apply(slice);
        }
    }

    /// This slice is new or changed.
    pub fn apply(&mut self, slice: EndpointSlice) {
        let Some(name) = slice.metadata.name else {
            return;
        };
        // `endpoints` is absent when there are none.
        let endpoints = slice.endpoints.unwrap_or_default();
        let places = endpoints.iter().flat_map(places).collect();
        self.slices.insert(name, places);
    }

    /// The slice of this name is gone.
    pub fn delete(&mut self, name: &str) {
        self.slices.remove(name);
    }

    /// The addresses of each pod, ready or not, the best first: one of a pod that stays before
    /// one that ends, and IPv4 before IPv6.
    pub fn pods(&self) -> BTreeMap<String, Vec<IpAddr>> {
        let mut places: Vec<_> = self.slices.values().flatten().collect();
        places.sort_by_key(|place| (place.terminating, place.address));
        let mut pods: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        for place in places {
            let addresses = pods.entry(place.pod.clone()).or_default();
            if !addresses.contains(&place.address) {
                addresses.push(place.address);
            }
        }
        pods
    }

    /// Where a pod runs: where it stays, if it moves.
    pub fn location(&self, pod: &str) -> Location {
        let places = self.slices.values().flatten();
        let places = places.filter(|place| place.pod == pod);
        let best = places.min_by_key(|place| (place.terminating, place.address));
        best.map(|place| place.location.clone()).unwrap_or_default()
    }
}

/// Readiness is not asked for: a replica that is not ready, because it catches up or no
/// coordinator reached it yet, must be reached to become so.
fn places(endpoint: &Endpoint) -> impl Iterator<Item = Place> {
    let target = endpoint.target_ref.as_ref();
    let pod = target
        .filter(|target| target.kind.as_deref() == Some("Pod"))
        .and_then(|target| target.name.clone());
    let conditions = endpoint.conditions.as_ref();
    let terminating = conditions.and_then(|it| it.terminating).unwrap_or(false);
    let location = Location {
        zone: endpoint.zone.clone().unwrap_or_default(),
        node: endpoint.node_name.clone().unwrap_or_default(),
    };
    // An address of a slice of names, which a Service of pods never has, is none.
    let addresses = endpoint.addresses.iter().filter_map(|it| it.parse().ok());
    addresses.filter_map(move |address| {
        Some(Place {
            pod: pod.clone()?,
            address,
            terminating,
            location: location.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn endpoint(pod: &str, address: &str) -> Value {
        json!({"addresses": [address], "targetRef": {"kind": "Pod", "name": pod}})
    }

    fn slice(name: &str, family: &str, endpoints: &[Value]) -> EndpointSlice {
        serde_json::from_value(json!({
            "metadata": {"name": name}, "addressType": family, "endpoints": endpoints,
        }))
        .unwrap()
    }

    fn told(index: &EndpointIndex) -> String {
        let pods = index.pods();
        let pods = pods.iter().map(|(pod, addresses)| {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("{pod}={}", addresses.join("+"))
        });
        pods.collect::<Vec<_>>().join(" ")
    }

    fn index(slices: Vec<EndpointSlice>) -> EndpointIndex {
        let mut index = EndpointIndex::default();
        index.replace(slices);
        index
    }

    #[test]
    fn slices_are_joined_by_pod() {
        let four = [endpoint("r-0", "10.0.0.1"), endpoint("r-1", "10.0.0.2")];
        let six = [endpoint("r-1", "fd00::2"), endpoint("r-2", "fd00::3")];
        for slices in [
            vec![slice("a", "IPv6", &six), slice("b", "IPv4", &four)],
            vec![slice("a", "IPv4", &four), slice("b", "IPv6", &six)],
        ] {
            let told = told(&index(slices));
            assert_eq!(told, "r-0=10.0.0.1 r-1=10.0.0.2+fd00::2 r-2=fd00::3");
        }
    }

    #[test]
    fn what_is_not_ready_is_there_and_what_ends_comes_last() {
        let mut starting = endpoint("r-0", "10.0.0.9");
        starting["conditions"] = json!({"ready": false, "serving": false});
        let mut ending = endpoint("r-0", "10.0.0.1");
        ending["conditions"] = json!({"ready": false, "terminating": true});
        let index = index(vec![slice("a", "IPv4", &[ending, starting])]);
        assert_eq!(told(&index), "r-0=10.0.0.9+10.0.0.1");
    }

    #[test]
    fn a_pod_runs_where_it_stays() {
        let mut old = endpoint("r-0", "10.0.0.1");
        old["conditions"] = json!({"terminating": true});
        old["zone"] = json!("a");
        let mut new = endpoint("r-0", "10.0.0.9");
        new["zone"] = json!("b");
        new["nodeName"] = json!("n-1");
        let index = index(vec![slice("a", "IPv4", &[old, new])]);
        let location = index.location("r-0");
        assert_eq!((&*location.zone, &*location.node), ("b", "n-1"));
        assert_eq!(index.location("r-1"), Location::default());
    }

    #[test]
    fn slices_change_and_go() {
        let mut index = index(vec![slice("a", "IPv4", &[endpoint("r-0", "10.0.0.1")])]);
        index.apply(slice("a", "IPv4", &[endpoint("r-0", "10.0.0.7")]));
        assert_eq!(told(&index), "r-0=10.0.0.7");
        index.apply(slice("b", "IPv4", &[endpoint("r-1", "10.0.0.2")]));
        index.delete("a");
        assert_eq!(told(&index), "r-1=10.0.0.2");
        index.replace(vec![slice("c", "IPv4", &[])]);
        assert_eq!(told(&index), "");
    }

    #[test]
    fn what_is_no_pod_with_an_address_is_left_out() {
        let mut node = endpoint("n-0", "10.0.0.1");
        node["targetRef"]["kind"] = json!("Node");
        let nobody = json!({"addresses": ["10.0.0.2"]});
        let named = endpoint("r-0", "replica.example");
        let absent: EndpointSlice = serde_json::from_value(json!({
            "metadata": {"name": "b"}, "addressType": "IPv4", "endpoints": null,
        }))
        .unwrap();
        let index = index(vec![slice("a", "IPv4", &[node, nobody, named]), absent]);
        assert_eq!(told(&index), "");
    }
}
