// Weight of mesquite bushes by six measurements.
data {
  int<lower=0> N;
  vector[N] weight;
  vector[N] diam1;
  vector[N] diam2;
  vector[N] canopy_height;
  vector[N] total_height;
  vector[N] density;
  vector[N] group;
}
transformed data {
  matrix[N, 6] X;
  X[ : , 1] = diam1;
  X[ : , 2] = diam2;
  X[ : , 3] = canopy_height;
  X[ : , 4] = total_height;
  X[ : , 5] = density;
  X[ : , 6] = group;
}
parameters {
  vector[7] beta;
  real<lower=0> sigma;
}
model {
  weight ~ normal_id_glm(X, beta[1], beta[2 : 7], sigma);
}
