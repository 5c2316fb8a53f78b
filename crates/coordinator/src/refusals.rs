//! What the gRPC service refuses by itself counts as operations too.

use quorate_proto::RefusalObserver;
use quorate_register::OperationError;

use crate::Coordinator;

impl RefusalObserver for Coordinator {
    fn refused(&self, operation: &'static str, error: &OperationError) {
        self.count_refused(operation, error);
    }
}
