//! Rooms that are not there: how sound gets from one point to another in a box with walls that swallow some of it
//! (the image-source model), and what a small loudspeaker does to it on the way.

use std::f64::consts::TAU;

pub const RATE: f64 = 48_000.0;
const SPEED: f64 = 343.0;

/// A place a kiosk may stand in, as a box with the kiosk on the wall y = 0. Metres.
pub struct Room {
    pub name: &'static str,
    size: [f64; 3],
    /// Share of the pressure that each wall (x0, x1, y0, y1, z0, z1) gives back; 0 is open air.
    walls: [f64; 6],
    /// Where along its wall the kiosk is.
    along: f64,
    /// Length of the response, seconds.
    length: f64,
    /// Background noise at the microphone, dB of full scale; none: silence.
    pub noise_dbfs: Option<f64>,
    /// The microphone's clock against the loudspeaker's: milliseconds gained in a minute.
    pub drift_ms_per_minute: f64,
    pub seed: u64,
}

/// Three of them: a niche in a wall; a street front with traffic; an underpass.
pub fn rooms() -> [Room; 3] {
    [
        Room {
            name: "niche",
            size: [1.8, 1.2, 2.4],
            walls: [0.75, 0.75, 0.8, 0.0, 0.6, 0.7],
            along: 0.9,
            length: 0.2,
            noise_dbfs: None,
            drift_ms_per_minute: 0.0,
            seed: 11,
        },
        Room {
            name: "street",
            size: [18.0, 12.0, 9.0],
            walls: [0.0, 0.0, 0.9, 0.85, 0.8, 0.0],
            along: 9.0,
            length: 0.25,
            noise_dbfs: Some(-50.0),
            drift_ms_per_minute: 20.0,
            seed: 22,
        },
        Room {
            name: "underpass",
            size: [30.0, 4.0, 2.8],
            walls: [0.0, 0.0, 0.88, 0.88, 0.8, 0.85],
            along: 12.0,
            length: 0.4,
            noise_dbfs: Some(-54.0),
            drift_ms_per_minute: -20.0,
            seed: 33,
        },
    ]
}

/// Numbers that look like chance and are the same in every run (xorshift).
pub struct Chance(pub u64);

impl Chance {
    /// In -1..1.
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

impl Room {
    /// How sound gets from the kiosk's loudspeaker to its microphone, a hand's breadth above: 1 at a metre.
    pub fn echo_response(&self) -> Vec<f64> {
        self.response([self.along, 0.05, 1.30])
    }

    /// How sound gets from the person in front of the kiosk to its microphone.
    pub fn person_response(&self) -> Vec<f64> {
        self.response([self.along + 0.05, 0.65, 1.55])
    }

    fn microphone(&self) -> [f64; 3] {
        [self.along + 0.03, 0.05, 1.52]
    }

    fn response(&self, from: [f64; 3]) -> Vec<f64> {
        let mut response = vec![0.0; (self.length * RATE) as usize];
        let mut chance = Chance(self.seed);
        let reach = self.length * SPEED;
        let most = self.size.map(|side| (reach / (2.0 * side)).ceil() as i32);
        for x in -most[0]..=most[0] {
            for y in -most[1]..=most[1] {
                for z in -most[2]..=most[2] {
                    for mirror in 0..8 {
                        let rough = chance.next() * 0.02;
                        self.image(from, [x, y, z], mirror, rough, &mut response);
                    }
                }
            }
        }
        response
    }

    /// One image of the source behind the walls. `rough` moves it a little: no real room is a perfect box.
    fn image(&self, from: [f64; 3], cell: [i32; 3], mirror: usize, rough: f64, into: &mut [f64]) {
        let (microphone, mut square, mut gain) = (self.microphone(), 0.0, 1.0);
        for axis in 0..3 {
            let flipped = mirror >> axis & 1;
            let sign = 1.0 - 2.0 * flipped as f64;
            let at = sign * from[axis] + 2.0 * f64::from(cell[axis]) * self.size[axis];
            square += (at - microphone[axis]).powi(2);
            let far = cell[axis].unsigned_abs() as i32;
            let near = (cell[axis] - flipped as i32).unsigned_abs() as i32;
            gain *= self.walls[axis * 2].powi(near) * self.walls[axis * 2 + 1].powi(far);
        }
        let direct = cell == [0; 3] && mirror == 0;
        let distance = square.sqrt() * if direct { 1.0 } else { 1.0 + rough };
        let at = distance / SPEED * RATE;
        if gain < 1e-5 || at + 8.0 >= into.len() as f64 {
            return;
        }
        let (first, amount) = ((at.floor() as usize).saturating_sub(7), gain / distance.max(0.05));
        for (index, tap) in into.iter_mut().enumerate().skip(first).take(16) {
            *tap += amount * windowed_sinc(index as f64 - at, 8.0);
        }
    }
}

fn windowed_sinc(x: f64, half: f64) -> f64 {
    if x.abs() >= half {
        return 0.0;
    }
    let sinc = if x.abs() < 1e-9 { 1.0 } else { (TAU / 2.0 * x).sin() / (TAU / 2.0 * x) };
    sinc * (0.5 + 0.5 * (TAU / 2.0 * x / half).cos())
}

/// What a small loudspeaker makes of a signal: nothing below 250 Hz, little above 8 kHz, and at full scale a
/// bend of its line that is heard as a mild distortion (third harmonic about 2 %).
pub fn loudspeaker(signal: &[f64]) -> Vec<f64> {
    let bent: Vec<f64> = signal.iter().map(|x| x - 0.08 * x.powi(3) + 0.01 * x * x).collect();
    low_pass(&high_pass(&bent, 250.0), 8000.0)
}

pub fn high_pass(signal: &[f64], hertz: f64) -> Vec<f64> {
    second_order(signal, hertz, -1.0)
}

pub fn low_pass(signal: &[f64], hertz: f64) -> Vec<f64> {
    second_order(signal, hertz, 1.0)
}

/// Second-order filter (Butterworth): `keeps` is 1 for what is below the frequency, -1 for what is above.
fn second_order(signal: &[f64], hertz: f64, keeps: f64) -> Vec<f64> {
    let w = TAU * hertz / RATE;
    let (alpha, cos) = (w.sin() / 2.0_f64.sqrt(), w.cos());
    let (edge, middle) = ((1.0 - keeps * cos) / 2.0, keeps * (1.0 - keeps * cos));
    let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
    let step = |x: &f64| {
        let y = (edge * (x + x2) + middle * x1 + 2.0 * cos * y1 - (1.0 - alpha) * y2) / (1.0 + alpha);
        (x2, x1, y2, y1) = (x1, *x, y1, y);
        y
    };
    signal.iter().map(step).collect()
}

/// Noise as of traffic: loud below, faint above, swelling and ebbing slowly.
pub fn traffic(count: usize, dbfs: f64, seed: u64) -> Vec<f64> {
    let mut chance = Chance(seed ^ 0x5eed_0f00);
    let white: Vec<f64> = (0..count).map(|_| chance.next()).collect();
    let (low, hiss) = (low_pass(&white, 400.0), low_pass(&white, 3000.0));
    let mut noise: Vec<f64> = (0..count)
        .map(|n| (low[n] * 3.0 + hiss[n] * 0.5) * (1.0 + 0.25 * (TAU * 0.23 * n as f64 / RATE).sin()))
        .collect();
    let scale = 10_f64.powf(dbfs / 20.0) / (power(&noise).sqrt());
    noise.iter_mut().for_each(|x| *x *= scale);
    noise
}

pub fn power(signal: &[f64]) -> f64 {
    signal.iter().map(|x| x * x).sum::<f64>() / signal.len().max(1) as f64
}

/// The signal as a clock hears it that gains so many milliseconds in a minute.
pub fn drifted(signal: &[f64], ms_per_minute: f64) -> Vec<f64> {
    if ms_per_minute == 0.0 {
        return signal.to_vec();
    }
    let step = 1.0 + ms_per_minute / 60_000.0;
    let at = |position: f64| {
        let whole = position.floor() as usize;
        let first = whole.saturating_sub(15);
        let taps = signal.iter().enumerate().skip(first).take(32);
        taps.map(|(index, x)| x * windowed_sinc(index as f64 - position, 16.0)).sum()
    };
    (0..signal.len()).map(|n| at(n as f64 * step)).collect()
}
