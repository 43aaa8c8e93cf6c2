use event::*;
use headwater::engine::*;
use model::*;
use pipeline::*;
use pools::*;
use std::sync::Arc;
use std::time::Instant;
fn main() {
    let mut items = vec![];
    for r in csv::Reader::from_path("/tmp/data/news/items.csv").unwrap().records() {
        let r = r.unwrap();
        let mut it = item::Item::new(&r[0], r[1].split('|'));
        it.created_at = r[2].parse().ok().map(Timestamp);
        items.push(it);
    }
    let recs: Vec<_> =
        csv::Reader::from_path("/tmp/data/news/events.csv").unwrap().records().map(|r| r.unwrap()).collect();
    let types = EventTypes::default();
    let mut cat = catalog::Catalog::default();
    for i in items {
        cat.apply(item::ItemChange::Put(i), 1 << 20);
    }
    let evs: Vec<Event> = recs
        .iter()
        .map(|r| Event {
            event_id: Some(&r[0]),
            user_id: &r[1],
            item_id: &r[2],
            kind: types.get(&r[3]).unwrap(),
            ts: Timestamp(r[4].parse().unwrap()),
            value: None,
            session_id: None,
            surface: None,
            recommendation_id: None,
            categories: &[],
        })
        .collect();
    let cfg = Arc::new(stream::StreamConfig::default());
    let mut st = None;
    for _ in 0..5 {
        let mut s = state::PartitionState::new(cfg.clone());
        let t = Instant::now();
        for e in &evs {
            s.apply(e, None, &cat);
        }
        println!("apply {:.0} ev/s", evs.len() as f64 / t.elapsed().as_secs_f64());
        st = Some(s);
    }
    let st = st.unwrap();
    println!(
        "{:?} users {} ids {} recent {}",
        st.counters(),
        st.users_len(),
        st.event_ids_len(),
        st.popularity().recent_len()
    );
    let model = Arc::new(Model {
        name: "default".into(),
        version: "".into(),
        source: "".into(),
        interest_weight: 0.6,
        popularity_weight: 0.3,
        recency_weight: 0.1,
        event_weights: vec![0.5, 1., 2., 3., 2., -2., -3., 0.],
        interest_windows: vec![0.4, 0.3, 0.2, 0.1],
        evidence: 1.0,
        popularity_windows: vec![0.1, 0.1, 0.3, 0.2, 0.2, 0.1],
        half_life: 3 * stream::DAY,
        trending: Trend { short: 2, long: 4, evidence: 1.0 },
        max_category_share: 1.0,
        boosts: vec![],
        candidates: CandidateLimits {
            categories: 8,
            per_category: 200,
            popular: 1_000_000,
            trending: 100,
            fresh: 100,
        },
    });
    let parts = [st];
    let t = Instant::now();
    let layout = Arc::new(layout::Layout::build(&cat, &parts[..]));
    println!("layout {:?}", t.elapsed());
    let t0 = parts[0].newest();
    for _ in 0..3 {
        let t = Instant::now();
        let p = Pools::build(layout.clone(), &parts[..], model.clone(), t0, None);
        println!("pools {:?} live {}", t.elapsed(), p.live.len());
    }
    let pools = Pools::build(layout.clone(), &parts[..], model.clone(), t0, None);
    let mut small = (*model).clone();
    small.candidates =
        CandidateLimits { categories: 8, per_category: 100, popular: 400, trending: 100, fresh: 100 };
    let spools = Pools::build(layout.clone(), &parts[..], Arc::new(small), t0, None);
    let f = filters::Filter::default();
    let q = Query {
        n: 20,
        as_of: t0,
        context: &[],
        context_kind: EventType(1),
        exclude: &[],
        filter: &f,
        include_seen: false,
    };
    let mut sc = Scratch::default();
    for p in [&pools, &spools] {
        let mut times = vec![];
        let mut scored = 0;
        for r in recs.iter().rev().step_by(50).take(2000) {
            let asker = parts[0].user(&r[1]).map(|profile| Asker { state: &parts[0], partition: 0, profile });
            let t = Instant::now();
            let a = recommend(p, asker, &q, &mut sc).unwrap();
            times.push(t.elapsed());
            scored += a.candidates.iter().sum::<usize>();
        }
        times.sort();
        println!("recommend median {:?} p99 {:?} scored {}", times[1000], times[1980], scored / 2000);
    }
}
