//! A TCP way on loopback that can be cut and mended.

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub struct Way {
    /// Where it begins.
    pub port: u16,
    to: u16,
    carrier: Option<JoinHandle<()>>,
}

impl Way {
    pub async fn to(to: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { port, to, carrier: Some(tokio::spawn(carry(listener, to))) })
    }

    /// Every connection breaks, new ones are refused.
    pub fn cut(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            carrier.abort();
        }
    }

    pub async fn mend(&mut self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        self.carrier = Some(tokio::spawn(carry(listener, self.to)));
        Ok(())
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.cut();
    }
}

async fn carry(listener: TcpListener, to: u16) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((mut from, _)) = listener.accept().await {
        connections.spawn(async move {
            if let Ok(mut to) = TcpStream::connect(("127.0.0.1", to)).await {
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            }
        });
    }
}
