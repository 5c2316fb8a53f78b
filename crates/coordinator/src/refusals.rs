//! What the gRPC service refuses by itself counts as operations too.

use quorate_proto::RefusalObserver;
use quorate_register::OperationError;

use crate::Coordinator;
use crate::operation::Operation;

impl RefusalObserver for Coordinator {
    fn refused(&self, operation: &'static str, error: &OperationError) {
        let named = |it: &Operation| it.name() == operation;
        if let Some(operation) = Operation::ALL.into_iter().find(named) {
            self.count_refused(operation, error);
        }
    }
}
